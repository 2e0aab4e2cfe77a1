/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both configuration syntaxes: what is understood, and that everything else is refused with its line.
 */
#include "tests/unit/must.h"

static int shell_fn(const char *key, const char *value, bool is_comment, unsigned line, void *arg, struct err *e)
{
	if (strcmp(key, "STOP") == 0)
		return err_set(e, -ECANCELED, "stopped");
	buf_addf(arg, "%u%s %s=<%s>\n", line, is_comment ? "#" : "", key, value);
	return 0;
}

static void shell_syntax_is_understood(void **state)
{
	static const char text[] = "# Description: the first one \n"
				   "# only a comment\n"
				   "#Note:without a blank\n"
				   "A=1\n"
				   "\n"
				   "  B=\"two words\"   # remark $x `y`\n"
				   "C='literal $x `y` \\ \"q\"'\n"
				   "D=\"a \\\"b\\\" \\\\ \\$x\"\n"
				   "E=\n"
				   "F=a\"b c\"'d'e\n"
				   "_g9=eth0:192.0.2.1/24,x=y#z\n"
				   "H=last";
	_cleanup_buf_ struct buf got = {0};

	assert_int_equal(conf_parse_shell(text, strlen(text), "F", shell_fn, &got, NULL), 0);
	assert_string_equal(got.p, "1# Description=<the first one>\n"
				   "4 A=<1>\n"
				   "6 B=<two words>\n"
				   "7 C=<literal $x `y` \\ \"q\">\n"
				   "8 D=<a \"b\" \\ $x>\n"
				   "9 E=<>\n"
				   "10 F=<ab cde>\n"
				   "11 _g9=<eth0:192.0.2.1/24,x=y#z>\n"
				   "12 H=<last>\n");
}

static void shell_code_is_refused(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"A=$HOME", "'$'"},
		{"A=\"$(id)\"", "'$'"},
		{"A=`id`", "'`'"},
		{"A=\"`id`\"", "'`'"},
		{"A=a\\ b", "'\\'"},
		{"A=\"a\\nb\"", "'\\'"},
		{"A=one two", "second word"},
		{"A=b; id", "command"},
		{"A=b;id", "command"},
		{"A=b|id", "command"},
		{"A=b&", "command"},
		{"A=<f", "command"},
		{"A=(a b)", "command"},
		{"id", "KEY=value"},
		{". /etc/x", "KEY=value"},
		{"if true; then", "KEY=value"},
		{"export A=b", "'export'"},
		{"A = b", "blanks before"},
		{"1A=b", "KEY=value"},
		{"A-B=c", "KEY=value"},
		{"=b", "KEY=value"},
		{"A=\"open", "not closed"},
		{"A='open", "not closed"},
		{"A=~/x", "'~'"},
		{"A=b\r", "carriage return"},
		{"A=\"\033[1m\"", "control"},
		{"A=\"x\\", "'\\'"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = xasprintf("OK=1\n\n%s\nLATER=1\n", cases[i].line);
		struct buf got = {0};
		struct err e = {0};
		int r = conf_parse_shell(text, strlen(text), "web1.conf", shell_fn, &got, &e);

		if (r == 0)
			fail_msg("accepted: %s", cases[i].line);
		assert_true(strncmp(e.msg, "web1.conf:3: ", 13) == 0);
		assert_error(&e, r, -EBADMSG, cases[i].says);
		assert_true(!got.p || !strstr(got.p, "LATER"));
		buf_free(&got);
		free(text);
	}
}

static void shell_nul_is_refused(void **state)
{
	struct buf got = {0};
	struct err e = {0};

	assert_error(&e, conf_parse_shell("A=1\nB=\0x\n", 9, "F", shell_fn, &got, &e), -EBADMSG,
		     "F:2: control character 0x00");
	buf_free(&got);
}

static void callers_error_ends_both(void **state)
{
	static const char shell[] = "A=1\nSTOP=1\nB=1\n";
	_cleanup_buf_ struct buf got = {0};
	struct err e = {0};

	assert_error(&e, conf_parse_shell(shell, strlen(shell), "F", shell_fn, &got, &e), -ECANCELED, "stopped");
	assert_string_equal(got.p, "1 A=<1>\n");
}

static int ini_fn(const char *section, const char *key, const char *value, unsigned line, void *arg, struct err *e)
{
	if (strcmp(key, "STOP") == 0)
		return err_set(e, -ECANCELED, "stopped");
	buf_addf(arg, "%u [%s] %s=<%s>\n", line, section, key, value);
	return 0;
}

static void ini_is_understood(void **state)
{
	static const char text[] = "; a comment\n"
				   "before = any section\n"
				   "[repo debian security]\n"
				   "url = http://a.example/;x  \n"
				   "list=\n"
				   "\tone\n"
				   "\n"
				   "  # a comment between\n"
				   "  two = 2 [x]\n"
				   "empty =\n"
				   "[b]\n"
				   "last = a = b # c";
	_cleanup_buf_ struct buf got = {0};

	assert_int_equal(conf_parse_ini(text, strlen(text), "F", ini_fn, &got, NULL), 0);
	assert_string_equal(got.p, "2 [] before=<any section>\n"
				   "4 [repo debian security] url=<http://a.example/;x>\n"
				   "5 [repo debian security] list=<one two = 2 [x]>\n"
				   "10 [repo debian security] empty=<>\n"
				   "12 [b] last=<a = b # c>\n");
}

static void ini_errors_have_their_line(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"no setting", "key = value"},
		{"[open", "'[' without ']'"},
		{"[a] b = c", "after ']'"},
		{"[]", "1 to 49"},
		{"= v", "1 to 49"},
		{"a: b", "key = value"},
		{"[s]\n  k = v", "indented"},
		{"k = v\r", "carriage return"},
		{"k = \001", "control"},
		{"a234567890123456789012345678901234567890123456789x = long", "1 to 49"},
		{"[a234567890123456789012345678901234567890123456789x]", "1 to 49"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = xasprintf("[ok]\na = 1\n%s\nlater = 1\n", cases[i].line);
		unsigned line = strchr(cases[i].line, '\n') ? 4 : 3;
		char *start = xasprintf("d.conf:%u: ", line);
		struct buf got = {0};
		struct err e = {0};
		int r = conf_parse_ini(text, strlen(text), "d.conf", ini_fn, &got, &e);

		if (r == 0)
			fail_msg("accepted: %s", cases[i].line);
		if (strncmp(e.msg, start, strlen(start)) != 0)
			fail_msg("%s does not begin %s", start, e.msg);
		assert_error(&e, r, -EBADMSG, cases[i].says);
		assert_true(!got.p || !strstr(got.p, "later"));
		buf_free(&got);
		free(start);
		free(text);
	}
}

static void ini_long_lines(void **state)
{
	char *text = xmalloc(20000);
	_cleanup_buf_ struct buf got = {0};
	struct err e = {0};

	memset(text, 'x', 20000);
	memcpy(text, "[a]\nk=", 6);
	assert_int_equal(conf_parse_ini(text, 8000, "F", ini_fn, &got, NULL), 0);
	assert_int_equal(got.len, strlen("2 [a] k=<>\n") + 7994);
	assert_error(&e, conf_parse_ini(text, 20000, "F", ini_fn, &got, &e), -EBADMSG, "F:2: line too long");
	free(text);
}

static void ini_callers_error_ends_it(void **state)
{
	static const char text[] = "a=1\nSTOP=1\nb=1\n";
	_cleanup_buf_ struct buf got = {0};
	struct err e = {0};

	assert_error(&e, conf_parse_ini(text, strlen(text), "F", ini_fn, &got, &e), -ECANCELED, "stopped");
	assert_string_equal(got.p, "1 [] a=<1>\n");
	/* Also when it is the last setting, which is handed over after the end. */
	assert_error(&e, conf_parse_ini(text, 10, "F", ini_fn, &got, &e), -ECANCELED, "stopped");
}

static void empty_files_are_fine(void **state)
{
	struct buf got = {0};

	assert_int_equal(conf_parse_shell("", 0, "F", shell_fn, &got, NULL), 0);
	assert_int_equal(conf_parse_ini("", 0, "F", ini_fn, &got, NULL), 0);
	assert_int_equal(conf_parse_ini("\n\n[a]\n", 6, "F", ini_fn, &got, NULL), 0);
	assert_null(got.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shell_syntax_is_understood),
		cmocka_unit_test(shell_code_is_refused),
		cmocka_unit_test(shell_nul_is_refused),
		cmocka_unit_test(callers_error_ends_both),
		cmocka_unit_test(ini_is_understood),
		cmocka_unit_test(ini_errors_have_their_line),
		cmocka_unit_test(ini_long_lines),
		cmocka_unit_test(ini_callers_error_ends_it),
		cmocka_unit_test(empty_files_are_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
