# openssl speed: its timers (SIGALRM) and its fastest code paths; the figures vary, the rows do not.
openssl speed -seconds 1 -bytes 1024 -evp aes-128-gcm 2>/dev/null | grep -c -i gcm
openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | grep -c sha256
openssl speed -seconds 1 ecdsap256 2>/dev/null | grep -c nistp256
