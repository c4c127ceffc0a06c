/* recording_json: values of recording.json, to JSON and back: a pair of functions for each type, and tables
 * of keys that name them, so that writing and reading cannot drift apart. Private to recording_info.c. */
#ifndef REEL_REPLAY_RECORDING_JSON_H
#define REEL_REPLAY_RECORDING_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key of an object, and the member of a struct that it holds. */
struct json_field {
    const char *key;
    size_t offset;
    cJSON *(*write)(const void *field); /* NULL: out of memory */
    bool (*read)(const cJSON *item,
                 void *field); /* false: a bad value; what was read of it is in the member */
    const char *expected;      /* for errors */
};

#define JSON_FIELD(owner, key, type, member, expected)                                                       \
    { key, offsetof(struct owner, member), json_write_##type, json_read_##type, expected }

cJSON *json_write_object(const struct json_field *fields, size_t count, const void *from);

/* The types: char * (bytes that are not UTF-8 become an object with base64), NULL-terminated arrays of them,
 * the same where NULL is null, integers, bool, uint64_t as hexadecimal text, struct timespec with
 * microseconds (zero is null). */
cJSON *json_write_text(const void *field);
bool json_read_text(const cJSON *item, void *field);
cJSON *json_write_texts(const void *field);
bool json_read_texts(const cJSON *item, void *field);
cJSON *json_write_optional(const void *field);
bool json_read_optional(const cJSON *item, void *field);
cJSON *json_write_i32(const void *field);
bool json_read_i32(const cJSON *item, void *field);
cJSON *json_write_u32(const void *field);
bool json_read_u32(const cJSON *item, void *field);
cJSON *json_write_u64(const void *field);
bool json_read_u64(const cJSON *item, void *field);
cJSON *json_write_bool(const void *field);
bool json_read_bool(const cJSON *item, void *field);
cJSON *json_write_mask(const void *field);
bool json_read_mask(const cJSON *item, void *field);
cJSON *json_write_time(const void *field);
bool json_read_time(const cJSON *item, void *field);

/* Which of the names a string is, or -1. */
int json_read_name(const cJSON *item, const char *const *names, int count);

#endif
