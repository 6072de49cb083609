# busybox-static: one static program for a shell and its tools.
busybox sh -c '
for i in $(busybox seq 1 20); do echo "line $i"; done | busybox sed "s/1/x/" | busybox sort -r | busybox head -5
echo "a b c" | busybox awk "{ print \$3, \$1 }"
busybox sh -c "exit 9" || echo status $?
busybox seq 1 5000 | busybox gzip | busybox gunzip | busybox md5sum
busybox echo "2^64" | busybox bc
busybox find /etc -maxdepth 1 -name "host*" | busybox wc -l | busybox tr -d " "
'
