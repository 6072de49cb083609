# bzip2 and gzip there and back.
seq 1 150000 > data
for tool in bzip2 gzip; do
  for level in 1 9; do
    $tool -$level < data > data.$tool
    sha256sum < data.$tool
    $tool -d < data.$tool | cmp - data && echo same
  done
done
gzip -t data.bzip2 2>/dev/null || echo "status $?"
