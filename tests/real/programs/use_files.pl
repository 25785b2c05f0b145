# SPDX-License-Identifier: MIT
# Perl's buffered and unbuffered files, seeks, locks, forks and pipes.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Fcntl qw(:DEFAULT :flock :seek);

my $data = do { local $/; open my $in, '<:raw', 'in/big.bin' or die; <$in> };
print 'slurped ', length $data, ' ', sha256_hex($data), "\n";

sysopen my $raw, 'unbuffered', O_RDWR | O_CREAT | O_TRUNC, 0640 or die;
my $at = 0;
for my $n (1 .. 200) {
    my $wrote = syswrite $raw, $data, $n * 37, $at;
    $at += $wrote;
}
print "wrote $at\n";
sysseek $raw, 1000, SEEK_SET;
sysread $raw, my $piece, 5000;
print 'piece ', sha256_hex($piece), ' at ', sysseek($raw, 0, SEEK_CUR), "\n";
sysseek $raw, -10, SEEK_END;
print 'tail ', sysread($raw, $piece, 100), ' then ', sysread($raw, $piece, 100), "\n";
truncate $raw, 12345 or die;
close $raw;

open my $both, '+<', 'unbuffered' or die;
seek $both, 100, SEEK_SET;
read $both, $piece, 50;
seek $both, 0, SEEK_CUR;
print $both 'overwritten';
seek $both, 0, SEEK_SET;
print 'buffered ', sha256_hex(do { local $/; <$both> }), "\n";
close $both;

open my $log, '>>', 'locked' or die;
$log->autoflush(1);
my @children = map {
    my $child = fork // die;
    if (!$child) {
        for my $line (1 .. 40) {
            open my $own, '>>', 'locked' or die;
            flock $own, LOCK_EX or die;
            syswrite $own, sprintf "%s\n", 'x' x 63;
            close $own;
        }
        exit 7;
    }
    $child
} 1 .. 4;
print 'child ended ', (waitpid($_, 0) == $_ ? $? >> 8 : 'not'), "\n" for @children;
print 'lock file ', -s 'locked', "\n";

open my $from, '-|', 'cat', 'in/small.bin' or die;
binmode $from;
print 'from a pipe ', sha256_hex(do { local $/; <$from> }), "\n";
close $from;
open my $to, '|-', 'wc -c > counted' or die;
print $to 'y' x 100_000;
close $to or die;
print 'system ', system('cat counted') >> 8, "\n";

my $lines = 0;
open my $text, '<', 'in/text.txt' or die;
while (my $line = <$text>) { $lines++; last if $. == 5000 }
print "line $lines at ", tell $text, "\n";
print 'missing: ', (open(my $no, '<', 'in/missing') ? 'opened' : $!), "\n";
open my $full, '>', '/dev/full' or die;
print 'full: ', (syswrite($full, 'x') ? 'wrote' : $!), "\n";
