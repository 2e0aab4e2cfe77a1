#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# treediff.pl OURS THEIRS EXPLAINED USED: compares two trees (type, mode, owner, link target, device, contents of every path),
# prints each difference that no line of EXPLAINED covers, and appends the patterns that covered one to USED.
use strict;
use warnings;
use File::Find;
use Digest::SHA;

my ($ours, $theirs, $explained, $used) = @ARGV;

sub scan {
	my ($root) = @_;
	my %seen;
	find({ no_chdir => 1, wanted => sub {
		my $path = substr($File::Find::name, length $root);
		$path =~ s{^/}{} or return;
		my @st = lstat $File::Find::name or die "$File::Find::name: $!";
		my $what = -l _ ? readlink $File::Find::name : -f _ ? Digest::SHA->new(256)->addfile($File::Find::name)->hexdigest : -d _ ? '' : $st[6];
		$seen{$path} = sprintf '%o %d:%d %s', @st[2, 4, 5], $what;
	} }, $root);
	return \%seen;
}

sub without {
	my ($file, $regex) = @_;
	open my $f, '<', $file or die "$file: $!";
	return join '', grep { !/$regex/ } <$f>;
}

my @rules;
open my $f, '<', $explained or die "$explained: $!";
while (<$f>) {
	next if /^#|^\s*$/;
	my ($path, $how, $reason) = split ' ', $_, 3;
	die "$explained:$.: PATH HOW REASON expected\n" unless $reason && $how =~ /^(ours|theirs|any|lines:.+)$/;
	my $regex = join '.*', map { quotemeta } split /\*/, $path, -1;
	push @rules, { path => $path, regex => qr/^$regex$/, how => $how };
}
close $f;

my ($a, $b) = (scan($ours), scan($theirs));
my (%hit, %all);
@all{ keys %$a, keys %$b } = ();
for my $path (sort keys %all) {
	my ($x, $y) = ($a->{$path} // '', $b->{$path} // '');
	next if $x eq $y;
	my $kind = !$y ? 'ours' : !$x ? 'theirs' : 'any';
	my $why;
	for my $r (@rules) {
		next unless $path =~ $r->{regex};
		if ($r->{how} =~ /^lines:(.*)/) {
			my $regex = $1;
			next unless $kind eq 'any' && (split ' ', $x)[0] eq (split ' ', $y)[0] && (split ' ', $x)[1] eq (split ' ', $y)[1];
			next unless without("$ours/$path", $regex) eq without("$theirs/$path", $regex);
		} elsif ($r->{how} ne $kind) {
			next;
		}
		$why = $r;
		last;
	}
	if ($why) { $hit{ $why->{path} } = 1 } else { print "$path: ", $x || 'missing', ' | debootstrap: ', $y || 'missing', "\n" }
}
open my $u, '>>', $used or die "$used: $!";
print $u "$_\n" for sort keys %hit;
close $u or die "$used: $!";
