#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

void buffer_deinit(struct buffer *buffer) {
    free(buffer->data);
    memset(buffer, 0, sizeof(*buffer));
}

void buffer_clear(struct buffer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
}

void *buffer_reserve(struct buffer *buffer, size_t count) {
    if (buffer->failed)
        return NULL;
    if (count > SIZE_MAX / 2 - buffer->size) {
        buffer->failed = true;
        return NULL;
    }
    if (buffer->size + count > buffer->room || !buffer->data) {
        size_t room = buffer->room ? buffer->room : 256;
        while (room < buffer->size + count)
            room *= 2;
        uint8_t *data = realloc(buffer->data, room);
        if (!data) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->room = room;
    }
    return buffer->data + buffer->size;
}

void buffer_put(struct buffer *buffer, const void *bytes, size_t count) {
    if (!count)
        return;
    void *place = buffer_reserve(buffer, count);
    if (!place)
        return;
    memcpy(place, bytes, count);
    buffer->size += count;
}

void buffer_put_u8(struct buffer *buffer, uint8_t value) {
    buffer_put(buffer, &value, sizeof(value));
}

/* x86-64 is little endian: memory order is the encoding. */
void buffer_put_u32(struct buffer *buffer, uint32_t value) {
    buffer_put(buffer, &value, sizeof(value));
}

void buffer_put_u64(struct buffer *buffer, uint64_t value) {
    buffer_put(buffer, &value, sizeof(value));
}

void buffer_put_varint(struct buffer *buffer, uint64_t value) {
    uint8_t bytes[10];
    size_t count = 0;
    do {
        uint8_t byte = value & 0x7f;
        value >>= 7;
        bytes[count++] = (uint8_t)(byte | (value ? 0x80 : 0));
    } while (value);
    buffer_put(buffer, bytes, count);
}

void buffer_put_svarint(struct buffer *buffer, int64_t value) {
    buffer_put_varint(buffer, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

void buffer_put_blob(struct buffer *buffer, const void *bytes, size_t count) {
    buffer_put_varint(buffer, count);
    buffer_put(buffer, bytes, count);
}

void buffer_put_string(struct buffer *buffer, const char *text) {
    buffer_put_blob(buffer, text, strlen(text));
}

struct error *buffer_check(const struct buffer *buffer) {
    return buffer->failed ? &error_no_memory : NULL;
}
