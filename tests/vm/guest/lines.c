// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lines WORD: copies its input, each line with WORD and a space before it, at once and whole, also a last one that does
 * not end. For tests/vm/init, where two of these write to one port: sed would leave that last line open for the other
 * to go on in.
 */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	char line[32768];
	size_t word, n;

	if (argc != 2 || strlen(argv[1]) > 100)
		return 2;
	word = (size_t)snprintf(line, sizeof(line), "%s ", argv[1]);
	/* So that a line is one write; a longer one becomes several. */
	setvbuf(stdout, NULL, _IOFBF, 2 * sizeof(line));
	while (fgets(line + word, (int)(sizeof(line) - word - 1), stdin)) {
		n = strlen(line);
		if (line[n - 1] != '\n')
			line[n++] = '\n';
		fwrite(line, 1, n, stdout);
		fflush(stdout);
	}
	return 0;
}
