/* SPDX-License-Identifier: MIT */
/*
 * The commands of the tool. Each gets its own arguments, argv[0] being "dftio run" and so on, and returns the exit
 * status.
 */
#ifndef DFTIO_TOOLS_COMMANDS_H
#define DFTIO_TOOLS_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* cmd_doctor() without a program: the installation. Returns the exit status. */
int doctor_installation(const char *asked_shim, int as_json);

/* What --version prints, for the command and for each of its own. */
int print_version(void);

#endif
