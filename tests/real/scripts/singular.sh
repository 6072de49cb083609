# Singular: Groebner bases.
Singular -q --no-rc <<'S'
ring r = 0, (x, y, z), dp;
ideal i = x2 + y2 + z2 - 1, x2 - y + z3, xyz - 1;
std(i);
vdim(std(i));
factorize(x6 - y6);
quit;
S
