# decimal: pi and e to 1,500 digits, and fractions.
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 1500


def pi():
    three = Decimal(3)
    last, t, s, n, na, d, da = 0, three, 3, 1, 0, 0, 24
    while s != last:
        last = s
        n, na = n + na, na + 8
        d, da = d + da, da + 32
        t = (t * n) / d
        s += t
    return +s


print(str(pi())[-60:], str(Decimal(1).exp())[-60:])
print(sum(Fraction(1, n) for n in range(1, 300)).numerator % 10 ** 20)
print(Decimal(2).sqrt().quantize(Decimal(10) ** -40), Decimal("1e500").ln().quantize(Decimal(10) ** -30))
