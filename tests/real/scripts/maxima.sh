# maxima: integrals, series and factors (a Lisp with its garbage collector).
maxima --very-quiet --batch-string='display2d:false$ print(integrate(1/(1+x^4), x, 0, inf))$ print(factor(x^12-1))$ print(taylor(sin(x)/x, x, 0, 8))$ print(length(makelist(k!, k, 1, 400)))$ quit()$'
