/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * selfcheck: would fencing this node work? Its own agents are asked for the power now and then, and what is wrong is
 * said before it matters: in the log, in /nodes/ME/fence_agents (empty: all is well), which pvcctl shows, and in the
 * status file.
 */
#pragma once

struct fencer;
struct selfcheck;
/* Begins by itself. One object that outlives the fencer's store and workers. */
int selfcheck_new(struct selfcheck **ret, struct fencer *fencer);
void selfcheck_free(struct selfcheck *check);
