"""What this machine has that some tests need."""
import errno
import os
import struct
import subprocess
import tempfile

import procs


def processor_features():
    for line in procs.read("/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return set(line.split(":")[1].split())
    return set()


def runs_32_bit_code():
    """Whether the kernel runs 32-bit programs: built without, told not to or under some hypervisors it does not, and
    only trying tells."""
    address = 0x10000
    code = bytes([0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80])  # mov $1, %eax; xor %ebx, %ebx; int $0x80: exit(0)
    headers = 52 + 32
    header = b"\x7fELF\1\1\1" + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, address + headers, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, address, address, headers + len(code), headers + len(code), 5, 4096)
    with tempfile.TemporaryDirectory(prefix="vsup-test-") as folder:
        program = os.path.join(folder, "exit32")
        with open(program, "wb") as f:
            f.write(header + segment + code)
        os.chmod(program, 0o700)
        try:
            return subprocess.run([program], check=False).returncode == 0
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                return False
            raise


def missing(needs):
    """The first of the words of a victim's NEEDS that this machine has not, or None."""
    features = processor_features()
    for need in needs:
        if need == "32-bit":
            if not runs_32_bit_code():
                return "a kernel that runs 32-bit code"
        elif need.startswith("/"):
            if not os.path.exists(need):
                return need
        elif need not in features:
            return "cpu feature " + need
    return None
