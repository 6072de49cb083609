# bzip2 and gzip there and back; gzip -n, or it writes the time of the file.
seq 1 150000 > data
for tool in bzip2 "gzip -n"; do
  for level in 1 9; do
    $tool -$level < data > data.packed
    sha256sum < data.packed
    $tool -d < data.packed | cmp - data && echo same
  done
done
bzip2 < data > data.bzip2; gzip -t data.bzip2 2>/dev/null || echo "status $?"
