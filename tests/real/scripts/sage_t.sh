# sage -t of three doctest files.
root=$(sage -c 'import sage, os; print(os.path.dirname(sage.__file__))')
for file in rings/integer_ring.pyx arith/functions.pyx combinat/subset.py sets/set.py misc/flatten.py; do
  [ -f "$root/$file" ] && files="${files:-} $root/$file"
done
set -- $files
sage -t --random-seed=0 "$1" "$2" "$3"
