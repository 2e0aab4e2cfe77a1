# SPDX-License-Identifier: GPL-2.0-or-later
#
# The text of PROG --help from the sections SYNOPSIS, VERBS, SELECTORS, OPTIONS and EXIT STATUS of PROG's manual page (scdoc),
# as a C string, help_text. So the page and --help cannot say different things.

# Takes *bold* and _underlined_ marks off, where they stand at the edges of words, and the backslashes of scdoc.
function plain(s,   out, m) {
	gsub(/\\\*/, "\001", s)
	gsub(/\\_/, "\002", s)
	out = ""
	while (match(s, /(^|[^A-Za-z0-9])[*_][^*_ ][^*_]*[*_]/)) {
		out = out substr(s, 1, RSTART - 1)
		m = substr(s, RSTART, RLENGTH)
		s = substr(s, RSTART + RLENGTH)
		gsub(/[*_]/, "", m)
		out = out m
	}
	s = out s
	gsub(/\001/, "*", s)
	gsub(/\002/, "_", s)
	gsub(/\\/, "", s)
	return s
}

function put(s) {
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	printf "\t\"%s\\n\"\n", s
}

# Ends the paragraph that was collected: folded to 79 columns, every line indented the same.
function end_paragraph(   n, words, line, i) {
	n = split(plain(paragraph), words, " ")
	line = ""
	for (i = 1; i <= n; i++) {
		if (line != "" && length(indent line) + 1 + length(words[i]) > 79) {
			put(indent line)
			line = ""
		}
		line = line (line == "" ? "" : " ") words[i]
	}
	if (line != "")
		put(indent line)
	paragraph = ""
}

BEGIN {
	want["SYNOPSIS"] = want["VERBS"] = want["SELECTORS"] = want["OPTIONS"] = want["EXIT STATUS"] = 1
	print "/* Made by man/help.awk from the manual page; edit that. */"
	print "static const char help_text[] ="
}

/^# / {
	end_paragraph()
	title = substr($0, 3)
	on = title in want
	if (on) {
		if (any++)
			put("")
		put(title == "SYNOPSIS" ? "Usage:" : substr(title, 1, 1) tolower(substr(title, 2)) ":")
	}
	next
}
/^;/ || !on { next }
/^## / {
	end_paragraph()
	put("")
	put("  " substr($0, 4) ":")
	next
}
/^$/ { end_paragraph(); next }
{
	own = "  "
	for (line = $0; substr(line, 1, 1) == "\t"; line = substr(line, 2))
		own = own "    "
	if (own != indent)
		end_paragraph()
	indent = own
	forced = sub(/\+\+$/, "", line)
	paragraph = paragraph " " line
	if (forced)
		end_paragraph()
}
END {
	end_paragraph()
	print "\t;"
}
