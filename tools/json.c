/* SPDX-License-Identifier: MIT */
/*
 * The JSON writer.
 *
 * Owns: nothing; the stream is the caller's. Threads and locks: none. Must never: emit a byte that is not JSON,
 * whatever the strings hold.
 */
#include "json.h"
#include "text.h"

#include <inttypes.h>

static void write_string(struct json *json, const char *text)
{
	fputc('"', json->out);
	while (*text) {
		size_t length = utf8_length(text);

		if (length == 0) {
			fputs("\\ufffd", json->out);
			length = 1;
		} else if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			fprintf(json->out, "\\u%04x", (unsigned char)*text);
		} else {
			if (*text == '"' || *text == '\\')
				fputc('\\', json->out);
			fwrite(text, 1, length, json->out);
		}
		text += length;
	}
	fputc('"', json->out);
}

static void begin_value(struct json *json, const char *key)
{
	if (json->started)
		fputc(',', json->out);
	if (json->depth > 0)
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	if (key) {
		write_string(json, key);
		fputs(": ", json->out);
	}
	json->started = true;
}

static void open_level(struct json *json, const char *key, char bracket)
{
	begin_value(json, key);
	fputc(bracket, json->out);
	json->depth++;
	json->started = false;
}

static void close_level(struct json *json, char bracket)
{
	json->depth--;
	if (json->started)
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	fputc(bracket, json->out);
	json->started = true;
	if (json->depth == 0)
		fputc('\n', json->out);
}

void json_object(struct json *json, const char *key)
{
	open_level(json, key, '{');
}

void json_array(struct json *json, const char *key)
{
	open_level(json, key, '[');
}

void json_end_object(struct json *json)
{
	close_level(json, '}');
}

void json_end_array(struct json *json)
{
	close_level(json, ']');
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	begin_value(json, key);
	write_string(json, value);
}

void json_number(struct json *json, const char *key, int64_t value)
{
	begin_value(json, key);
	fprintf(json->out, "%" PRId64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->out);
}
