/* gdb_registers: the registers of x86-64 as gdb wants them: which there are, described in XML, and their
 * values out of struct user_regs_struct and the XSAVE area. Source: gdb/features/i386/ of gdb; Intel SDM
 * volume 1, chapter 13. */
#ifndef REEL_REPLAY_GDB_REGISTERS_H
#define REEL_REPLAY_GDB_REGISTERS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define GDB_REGISTER_MOST 64 /* bytes */
enum { GDB_RBP = 6, GDB_RSP = 7, GDB_RIP = 16 };

/* How many there are on this processor. */
size_t gdb_register_count(void);

/* Append the target description (a target.xml). */
void gdb_register_describe(struct buffer *xml);

/* The value of one, in target byte order; its size, 0 for a number that none has. */
size_t gdb_register_get(size_t number, const struct user_regs_struct *regs, const uint8_t *xstate,
                        size_t xstate_size, uint8_t ret[GDB_REGISTER_MOST]);
/* The same the other way. False: it cannot be set. */
bool gdb_register_set(size_t number, const uint8_t *bytes, struct user_regs_struct *regs, uint8_t *xstate,
                      size_t xstate_size);
size_t gdb_register_size(size_t number);

#endif
