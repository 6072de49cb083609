# ecl (Lisp): closures, bignums and a conservative garbage collector that works with signals.
cat > a.lisp <<'LISP'
(defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(format t "~a~%" (fib 18))
(let ((table (make-hash-table :test 'equal)))
  (dotimes (i 60000) (push i (gethash (format nil "k~a" (mod i 500)) table)))
  (format t "~a~%" (loop for v being the hash-values of table sum (length v))))
(dotimes (k 5) (let ((l nil)) (dotimes (i 100000) (push (list i i) l)) (assert (= (length l) 100000))) (si:gc t))
(format t "~a~%" (mod (expt 3 5000) 1000000007))
(format t "~a~%" (handler-case (/ 1 0) (division-by-zero () "caught")))
LISP
ecl -q --shell a.lisp
