/* SPDX-License-Identifier: MIT */
/* What the early victim shares with the library that is initialised before every preload. */
#ifndef EARLY_H
#define EARLY_H

/* Makes each interposed call once and prints what came of it; `when` begins each line. */
void early_calls(const char *when);

/* From now on the library's destructor, which runs after a preload's, makes the calls too. */
void early_call_at_the_end(void);

#endif
