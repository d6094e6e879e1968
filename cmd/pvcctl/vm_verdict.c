/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pvcctl.h"

#define W VERDICT_WAIT
#define R VERDICT_RUNS
#define O VERDICT_OFF
#define F VERDICT_FAILED
#define C VERDICT_CHANGED

/* A restarting VM goes restart, then start, and a migrating one migrate, then start; a shutdown ends in stop, written
 * by the node. */
static const unsigned char verdicts[REQUEST_COUNT][VM_STATE_COUNT] = {
    /* present state:     start restart shutdown stop disable migrate unmigrate provision fail delete */
    [REQUEST_START] = {R, W, C, C, C, W, W, C, F, C},    [REQUEST_RESTART] = {R, W, C, C, C, W, W, C, F, C},
    [REQUEST_SHUTDOWN] = {C, C, W, O, O, C, C, C, F, C}, [REQUEST_STOP] = {C, C, C, O, O, C, C, C, F, C},
    [REQUEST_DISABLE] = {C, C, C, C, O, C, C, C, C, C},
};

enum vm_verdict vm_verdict(enum vm_request request, enum vm_state state) {
	return state >= 0 && state < VM_STATE_COUNT ? (enum vm_verdict)verdicts[request][state] : VERDICT_CHANGED;
}
