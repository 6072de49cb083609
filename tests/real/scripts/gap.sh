# gap: permutation groups, characters and its garbage collector.
gap -q -A -r <<'GAP'
g := SymmetricGroup(8);; Print(Size(g), " ", NrConjugacyClasses(g), "\n");
m := Group((1,2,3,4,5,6,7,8,9,10,11), (3,7,11,8)(4,10,5,6));; Print(Size(m), " ", IsSimple(m), "\n");
l := List([1 .. 200000], i -> [i, i * i]);; Print(Sum(l, x -> x[2]), "\n"); GASMAN("collect");
Print(Length(Factors(2^67 - 1)), " ", Factors(2^67 - 1), "\n");
QUIT;
GAP
