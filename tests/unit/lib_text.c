/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Suggestions, escaping of what guests print, numbers, and the progress line.
 */
#include "tests/unit/must.h"

static void nearest_finds_typing_errors(void **state)
{
	static const char *const words[] = {"debian/11", "debian/12", "centos/7", "bootstrap", "status"};
	static const struct {
		const char *typed, *want;
	} cases[] = {
		{"debain/12", "debian/12"},
		{"debian/112", "debian/11"},
		{"cento/7", "centos/7"},
		{"bootstarp", "bootstrap"},
		{"stauts", "status"},
		{"centos7", "centos/7"},
		{"gentoo", NULL},
		{"x", NULL},
		{"", NULL},
	};
	char endless[5000];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *got = text_nearest(cases[i].typed, words, ARRAY_LEN(words));

		if (!cases[i].want)
			assert_null(got);
		else
			assert_string_equal(got ? got : "(none)", cases[i].want);
	}
	memset(endless, 'd', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = 0;
	assert_null(text_nearest(endless, words, ARRAY_LEN(words)));
	assert_null(text_nearest("debian", words, 0));
	assert_null(text_nearest("a", &(const char *){endless}, 1));
}

static void escape_leaves_nothing_that_drives_a_terminal(void **state)
{
	static const struct {
		const char *raw;
		size_t n;
		const char *want;
	} cases[] = {
		{"plain ~", 7, "plain ~"},
		{"\033[2J", 4, "\\x1b[2J"},
		{"a\nb\tc\r\0\177", 8, "a\\x0ab\\x09c\\x0d\\x00\\x7f"},
		{"gr\303\274n \342\202\254 \360\237\220\247", 14, "gr\303\274n \342\202\254 \360\237\220\247"},
		{"\302\233"
		 "31m",
		 5, "\\xc2\\x9b31m"},                            /* CSI of the second control set */
		{"\377\376", 2, "\\xff\\xfe"},                   /* never UTF-8 */
		{"\300\257", 2, "\\xc0\\xaf"},                   /* overlong */
		{"\340\200\257", 3, "\\xe0\\x80\\xaf"},          /* overlong */
		{"\355\240\200", 3, "\\xed\\xa0\\x80"},          /* surrogate */
		{"\364\220\200\200", 4, "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
		{"\342\202", 2, "\\xe2\\x82"},                   /* cut short */
		{"\342\200\256x", 4, "\\xe2\\x80\\xaex"},        /* writes from right to left */
		{"", 0, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *got = text_escape(cases[i].raw, cases[i].n);

		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

static void escape_of_every_byte_is_printable(void **state)
{
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			char raw[2] = {(char)a, (char)b}, *got = text_escape(raw, 2);

			for (char *p = got; *p; p++)
				assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
			free(got);
		}
}

static void sizes_are_readable(void **state)
{
	static const struct {
		uint64_t n;
		const char *want;
	} cases[] = {
		{0, "0 B"},           {1023, "1023 B"},        {1024, "1.0 KiB"},        {12900000, "12.3 MiB"},
		{1048575, "1.0 MiB"}, {5ull << 40, "5.0 TiB"}, {UINT64_MAX, "16.0 EiB"},
	};
	char buf[16];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(text_bytes(buf, cases[i].n), cases[i].want);
}

static void numbers_are_digits_only(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616", "99999999999999999999"};
	uint64_t v = 7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(text_uint(bad[i], 0, UINT64_MAX, &v), -EINVAL);
		assert_int_equal(v, 7);
	}
	assert_int_equal(text_uint("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(text_uint("007", 1, 9, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(text_uint("10", 1, 9, &v), -EINVAL);
	assert_int_equal(text_uint("0", 1, 9, &v), -EINVAL);
}

static void patterns_match(void **state)
{
	assert_true(text_match("web*", "web1"));
	assert_true(text_match("web[12]", "web2"));
	assert_false(text_match("web?", "web"));
	assert_false(text_match("web", "web1"));
}

/* What report_terminal wrote to a plain file for some progress and notes. */
static char *reported(bool quiet)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = tmpfile();
	const struct report *r = report_terminal(f, quiet);

	for (uint64_t i = 0; i <= 10; i++)
		report_progress(r, "fetching", i * 100000, 1000000);
	report_note(r, "a %s", "note\033[1m");
	report_progress(r, "unpacking", 3, 3);
	rewind(f);
	assert_true(getdelim(&text, &n, 0, f) > 0);
	fclose(f);
	return text;
}

static void progress_without_a_terminal_is_one_line_each(void **state)
{
	char *text = reported(false);
	unsigned lines = 0;

	assert_true(strncmp(text, "fetching: 976.6 KiB in ", 23) == 0);
	assert_non_null(strstr(text, "\na note\\x1b[1m\nunpacking: 3 in "));
	assert_null(strchr(text, '\r'));
	assert_null(strchr(text, '\033'));
	for (char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 3);
	free(text);
	text = reported(true);
	assert_string_equal(text, "a note\\x1b[1m\n");
	free(text);
	report_note(NULL, "nobody listens");
	report_progress(NULL, "x", 0, 1);
	report_note(&(struct report){0}, "x");
}

static void an_unknown_word_gets_the_nearest_or_all(void **state)
{
	static const char *const words[] = {"load", "unload", "status"};
	char *text = text_unknown("command", "stauts", words, 3, "vserver-kernel");

	assert_string_equal(text, "unknown command stauts; did you mean status?");
	free(text);
	text = text_unknown("command", "b\033[2Jx", words, 3, "vserver-kernel");
	assert_string_equal(text, "unknown command b\\x1b[2Jx; there are load, unload, status (vserver-kernel --help)");
	free(text);
	text = text_unknown("piece", "x", words, 0, "vserver-kernel");
	assert_string_equal(text, "unknown piece x; there are none (vserver-kernel --help)");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_finds_typing_errors),
		cmocka_unit_test(an_unknown_word_gets_the_nearest_or_all),
		cmocka_unit_test(escape_leaves_nothing_that_drives_a_terminal),
		cmocka_unit_test(escape_of_every_byte_is_printable),
		cmocka_unit_test(sizes_are_readable),
		cmocka_unit_test(numbers_are_digits_only),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(progress_without_a_terminal_is_one_line_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
