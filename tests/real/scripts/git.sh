# git: a repository with commits, branches, a merge, log, blame, fsck, gc and a clone; the ids are reproducible.
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE="2024-01-01T00:00:00Z" GIT_COMMITTER_DATE="2024-01-01T00:00:00Z" GIT_CONFIG_NOSYSTEM=1
git init -q -b main r
cd r
for i in 1 2 3 4; do
  seq 1 $((i * 50)) > "file$i"
  git add .
  git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~2
echo x >> file1
git commit -q -am side
git checkout -q main
git merge -q --no-edit side
git log --oneline --graph | cat
git blame file1 | tail -2
git diff --stat HEAD~3 | cat
git gc -q
git fsck 2>&1
git clone -q . ../copy
git -C ../copy rev-parse HEAD
