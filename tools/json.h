/* SPDX-License-Identifier: MIT */
/*
 * Writes one JSON document, in order, never wrong: keys and strings are escaped, commas and nesting are kept here.
 */
#ifndef DFTIO_TOOLS_JSON_H
#define DFTIO_TOOLS_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Zero-initialised except for `out`. */
struct json {
	FILE *out;
	unsigned depth;
	bool started; /* the innermost object or array has a member already */
};

/* `key` is NULL inside arrays and for the document itself. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_end_array(struct json *json);
/* A NULL `value` becomes null. Bytes that are no UTF-8 become U+FFFD: JSON has no way to carry them. */
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif
