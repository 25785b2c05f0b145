/* SPDX-License-Identifier: MIT */
/*
 * Calls before a preload's constructor, and after its destructor: the results are the kernel's all the same.
 *
 * Owns:    nothing; the library it is linked with, dso/early.c, makes the calls.
 * Threads: one.
 * Never:   makes a call of its own before the library has.
 */
#include "../dso/early.h"
#include "victim.h"

#include <stdlib.h>
#include <string.h>

/* Before any constructor of any library; libc is relocated, and that is all. */
static void before_everything(int argc, char **argv, char **environment)
{
	(void)environment;
	if (argc == 2 && strcmp(argv[1], "every_call_before_any_constructor") == 0)
		early_calls("preinit");
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(
	int, char **, char **) = before_everything;

/* The program's own constructor: after the preload's, before main. */
__attribute__((constructor)) static void before_main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "every_call_before_main") == 0)
		early_calls("before main");
}

static void every_call_in_an_earlier_constructor(void)
{
	early_calls("main");
}

static void every_call_before_any_constructor(void)
{
	early_calls("main");
}

static void every_call_before_main(void)
{
	early_calls("main");
}

static void every_call_in_a_later_destructor(void)
{
	early_calls("main");
	early_call_at_the_end();
}

static void only_in_a_later_destructor(void)
{
	early_call_at_the_end();
}

static void at_exit(void)
{
	early_calls("atexit");
}

static void every_call_in_an_exit_handler(void)
{
	early_calls("main");
	NEED(atexit(at_exit) == 0);
}

const struct promise promises[] = {
	{PROMISE(every_call_in_an_earlier_constructor)},
	{PROMISE(every_call_before_any_constructor)},
	{PROMISE(every_call_before_main)},
	{PROMISE(every_call_in_a_later_destructor)},
	{PROMISE(only_in_a_later_destructor)},
	{PROMISE(every_call_in_an_exit_handler)},
	{.name = NULL},
};
