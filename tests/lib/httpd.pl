#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A web server for tests: serves a directory on a port of 127.0.0.1 and, by rules, does what mirrors do on bad days.
#
#	httpd.pl DIR STATE
#
#	STATE/port     the port, once it listens
#	STATE/log      a line a request: METHOD PATH [ACTION]
#	STATE/rules    lines "REGEX ACTION [VALUE]", read again for every request; the first that fits the path counts:
#		cut N         announces the whole length, closes after N bytes of the body
#		short N       announces and sends only the first N bytes
#		corrupt N     one wrong byte at offset N
#		stall N       after N bytes of the body nothing comes any more
#		status CODE   that status and a short page
#		page FILE     the contents of FILE instead, as a captive portal does
#		redirect URL  302 to there
#		drop          closes without an answer
#		once ACTION…  only for the first request of each path
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my ($dir, $state) = @ARGV;
@ARGV == 2 or die "usage: httpd.pl DIR STATE\n";
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64, ReuseAddr => 1) or die "listen: $@\n";
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
open(my $log, '>>', "$state/log") or die "$state/log: $!\n";
$log->autoflush(1);
open(my $port, '>', "$state/port.new") or die "$state/port: $!\n";
print $port $server->sockport, "\n";
close $port;
rename "$state/port.new", "$state/port";

my %seen;

sub rule_for {
	my ($path) = @_;
	open(my $f, '<', "$state/rules") or return;
	while (my $line = <$f>) {
		my ($regex, @action) = split ' ', $line;
		next unless defined $regex && $path =~ /$regex/;
		return @action unless $action[0] eq 'once';
		next if $seen{$path}++;
		return @action[1 .. $#action];
	}
	return;
}

sub http_date { POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(shift)) }

sub answer {
	my ($c, $code, $body, @headers) = @_;
	print $c join("\r\n", "HTTP/1.1 $code X", 'Content-Length: ' . length($body), 'Connection: close', @headers, '', $body);
}

sub serve {
	my ($c, $path, $request, $action, $value) = @_;
	$action //= '';
	return if $action eq 'drop';
	return answer($c, $value, "<html>status $value</html>\n") if $action eq 'status';
	return answer($c, 302, '', "Location: $value") if $action eq 'redirect';
	my $file = $action eq 'page' ? $value : "$dir$path";
	return answer($c, 404, "<html>not found</html>\n") if $path =~ /\.\./ || !-f $file;
	open(my $f, '<:raw', $file) or return answer($c, 403, '');
	my $mtime = (stat $f)[9];
	my $body = do { local $/; <$f> } // '';
	return answer($c, 304, '', 'Last-Modified: ' . http_date($mtime))
		if !$action && $request =~ /^If-Modified-Since: (.*?)\r?$/mi && $1 eq http_date($mtime);
	my ($code, @range) = (200);
	substr($body, $value, 1) = chr(ord(substr($body, $value, 1)) ^ 0x55) if $action eq 'corrupt';
	$body = substr($body, 0, $value) if $action eq 'short';
	if ($request =~ /^Range: bytes=(\d+)-\r?$/mi && $1 < length $body) {
		($code, @range) = (206, "Content-Range: bytes $1-" . (length($body) - 1) . '/' . length($body));
		$body = substr($body, $1);
	}
	my $head = join("\r\n", "HTTP/1.1 $code X", 'Content-Length: ' . length($body), 'Connection: close',
		'Last-Modified: ' . http_date($mtime), @range, '', '');
	$body = substr($body, 0, $value) if $action eq 'cut' || $action eq 'stall';
	print $c $head, $body;
	$c->flush;
	return unless $action eq 'stall';
	# Until the other side hangs up, or the test is over.
	sleep 1 while getppid() != 1 && !eof_of($c);
}

sub eof_of {
	my ($c) = @_;
	my $bits = '';
	vec($bits, fileno($c), 1) = 1;
	return 0 unless select($bits, undef, undef, 0);
	return !sysread($c, my $byte, 1);
}

while (1) {
	my $c = $server->accept or next;
	my $request = '';
	while ($request !~ /\r?\n\r?\n/) { sysread($c, $request, 4096, length $request) or last }
	my ($method, $path) = $request =~ m{^(\S+) (\S+)} or next;
	$path =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
	my @action = rule_for($path);
	print $log "$method $path @action\n";
	my $pid = fork;
	if (defined $pid && $pid == 0) {
		serve($c, $path, $request, @action);
		close $c;
		POSIX::_exit(0);
	}
	close $c;
}
