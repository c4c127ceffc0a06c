/* json_check: is a text JSON (RFC 8259), to the letter? cJSON, which makes the tree, is more lenient (leading
 * zeros, control characters in strings) and does not say where exactly it stumbled. */
#ifndef REEL_CONFIG_JSON_CHECK_H
#define REEL_CONFIG_JSON_CHECK_H

/* Levels of arrays and objects. */
enum { JSON_NESTING_MOST = 32 };

/* NULL when the NUL-terminated text is one JSON value and nothing else; else what is wrong, a static text, at
 * *ret_at. */
const char *json_check_text(const char *text, const char **ret_at);

#endif
