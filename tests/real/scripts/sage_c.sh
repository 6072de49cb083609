# sage -c: the interpreter with its libraries, and the programs that it starts.
sage -c 'print(factor(2^128 + 1)); print(integrate(1 / (1 + x^3), x)); print(EllipticCurve("37a").rank()); print(gap("Size(SymmetricGroup(6))")); print(matrix(QQ, 12, lambda i, j: 1 / (i + j + 1)).det()); R.<a, b> = QQ[]; print(ideal(a^2 + b^2 - 1, a * b - 1).groebner_basis())'
