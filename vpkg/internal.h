/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The verbs of vpkg: one cmd_*.c each, called with argv[0] = the verb; each returns the exit status.
 */
#pragma once

#define EXIT_INTERRUPTED 130 /* as a shell has it: 128 + SIGINT */

int cmd_bootstrap(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_install(int argc, char **argv);
int cmd_recover(int argc, char **argv);
int cmd_status(int argc, char **argv);
