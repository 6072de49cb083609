# bash: loops, functions, pipelines, subshells, traps, arrays, here documents, process substitution, jobs.
total=0
for ((i = 0; i < 20000; i++)); do ((total += i % 7)) || true; done
echo $total
declare -A count
while read -r word; do count[$word]=$((${count[$word]:-0} + 1)); done < <(seq 1 300 | awk '{print "w" $1 % 13}')
for key in $(printf '%s\n' "${!count[@]}" | sort); do printf '%s=%s ' "$key" "${count[$key]}"; done
echo
seq 1 2000 | sed 's/1/x/g' | grep x | tr x y | sort | uniq -c | wc -l | tr -d ' '
fib() { if (($1 < 2)); then echo "$1"; else echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); fi; }
fib 9
trap 'echo trapped' USR1
kill -USR1 $$
(sleep 0.05; exit 3) &
wait $! || echo "status $?"
diff <(seq 1 5) <(seq 1 6) || echo "differs"
for n in 1 2 3; do (echo "job $n" > "job$n") & done
wait
cat job1 job2 job3
(kill -SEGV $BASHPID) 2>/dev/null || echo "status $?"
exec 5<<< "from a descriptor"
read -r line <&5
echo "$line"
