# gp (PARI) with a stack that grows, elliptic curves, factoring and linear algebra.
gp -q -f -s 2000000 <<'GP'
default(parisizemax, 400000000);
print(factor(2^101 - 1));
print(#Str(5^100000));
v = vector(200000, i, i^3); print(vecsum(v));
E = ellinit([0, -1, 1, -10, -20]); print(ellap(E, 1000003), " ", elltors(E));
print(matdet(matrix(40, 40, i, j, 1 / (i + j - 1))) == 1 / prod(i = 1, 39, (2 * i + 1) * binomial(2 * i, i)^2));
print(polroots(x^5 - x - 1)[1]);
print(nextprime(10^60), " ", bnfinit(x^3 - 7).no);
iferr(1 / 0, e, print("error caught"));
GP
