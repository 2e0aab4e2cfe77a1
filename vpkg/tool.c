/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which tool serves which family.
 */
#include "vpkg/tool.h"

const struct tool *tool_of(const struct vserver *v)
{
	switch (v->family) {
	case VS_DEBIAN:
		return &tool_deb;
	case VS_REDHAT:
	case VS_MANDRAKE:
		return &tool_rpm;
	case VS_UNKNOWN:
		break;
	}
	return NULL;
}
