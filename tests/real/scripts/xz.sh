# xz -T2 there and back.
seq 1 300000 > data
xz -T2 -1 --block-size=500000 -c data > data.xz
sha256sum < data.xz
xz -dc -T2 data.xz | cmp - data && echo same
xz -6 -c data | sha256sum
