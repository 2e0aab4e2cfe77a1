/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mark on disk by which the programs know a sealed file: both of these bits in the inode's flags, which the kernel
 * keeps in memory for every inode, so that asking costs one load. chattr calls them S and A.
 */
#pragma once

#define SEAL_LAYOUT 1
#define SEAL_I_FLAGS 3u /* S_SYNC | S_NOATIME, as in inode->i_flags on every kernel since 2.6 */
