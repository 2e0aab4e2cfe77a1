// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * attach OBJECT DIR: loads a BPF object, attaches every program of it and pins the links in DIR, by the programs'
 * names; they stay until the pins are removed. bpftool of Debian 12 cannot attach LSM programs.
 */
#include <stdio.h>
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *link;
	char pin[4096];

	if (argc != 3) {
		fprintf(stderr, "usage: attach OBJECT DIR\n");
		return 2;
	}
	object = bpf_object__open(argv[1]);
	if (!object || bpf_object__load(object) < 0) {
		perror(argv[1]);
		return 1;
	}
	bpf_object__for_each_program(program, object)
	{
		link = bpf_program__attach(program);
		snprintf(pin, sizeof(pin), "%s/%s", argv[2], bpf_program__name(program));
		if (!link || bpf_link__pin(link, pin) < 0) {
			perror(bpf_program__name(program));
			return 1;
		}
	}
	return 0;
}
