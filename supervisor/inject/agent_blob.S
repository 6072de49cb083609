// The agent's ELF file, carried inside vsup. VSUP_AGENT_ELF is its path, from the build.
    .section .rodata
    .global vsup_agent_blob_start, vsup_agent_blob_end
    .balign 16
vsup_agent_blob_start:
    .incbin VSUP_AGENT_ELF
vsup_agent_blob_end:
    .section .note.GNU-stack,"",@progbits
