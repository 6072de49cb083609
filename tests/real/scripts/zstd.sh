# zstd -T2 there and back.
seq 1 400000 > data
for level in 1 9; do
  zstd -q -T2 -$level -f data -o data.zst
  zstd -q -dc data.zst | cmp - data && echo same
done
zstd -q -19 --single-thread -c data | sha256sum
