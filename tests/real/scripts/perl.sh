# perl: regular expressions, hashes, sorting, pack, fork and a pipe.
perl -e '
use strict; use warnings; use POSIX; use Digest::SHA qw(sha256_hex);
my %h; $h{"k" . ($_ % 997)} += $_ for 1 .. 100000;
my @k = sort { $h{$b} <=> $h{$a} || $a cmp $b } keys %h;
print "$k[0] $h{$k[0]} $k[-1]\n";
my $t = join ",", map { sprintf "%05d", $_ * 7919 % 100003 } 1 .. 20000;
my $n = () = $t =~ /(\d)\1/g; (my $u = $t) =~ s/(\d+),(\d+)/$2;$1/g;
print "$n ", sha256_hex($u), "\n";
my $pid = open(my $p, "-|") // die; if (!$pid) { print "from child $_\n" for 1 .. 3; exit 5 }
print while <$p>; close $p; print $? >> 8, "\n";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 10; }; print $@;
print unpack("H*", pack("NnCd", 1, 2, 3, 1.5)), " ", strftime("%Y", gmtime 0), "\n";'
