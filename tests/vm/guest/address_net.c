/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * chbind.t's program, in the machine.
 */
#include "tests/root/chbind_net.c"
