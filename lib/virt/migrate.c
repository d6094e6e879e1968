/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Migrations, as jobs on workers.
 *
 * What arrives is left paused (VIR_MIGRATE_PAUSED) until the caller lets it run. Without that libvirt would have both
 * copies run when the answer to its last step gets lost: the sender takes a lost answer for a failure and goes on,
 * while the receiver has begun ("the lock manager plugins should take care of safety in this scenario", libvirt's
 * source says).
 *
 * Peer to peer, so that the migration does not depend on this process; UNDEFINE and PERSIST are not set, because
 * domains of ours are transient.
 */
#include "virt/internal.h"

int migrate_out(virDomainPtr domain, const struct virt_migration *migration) {
	unsigned flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_PAUSED | VIR_MIGRATE_AUTO_CONVERGE;
	virTypedParameterPtr params = NULL;
	int count = 0, max = 0, r = 0;

	if (migration->tunnel)
		flags |= VIR_MIGRATE_TUNNELLED;
	if (migration->tls)
		flags |= VIR_MIGRATE_TLS;
	if (migration->unsafe)
		flags |= VIR_MIGRATE_UNSAFE;
	if (migration->downtime && virDomainMigrateSetMaxDowntime(domain, migration->downtime, 0) < 0)
		return -1;
	if (migration->transfer)
		r = virTypedParamsAddString(&params, &count, &max, VIR_MIGRATE_PARAM_URI, migration->transfer);
	if (r == 0 && migration->bandwidth)
		r = virTypedParamsAddULLong(&params, &count, &max, VIR_MIGRATE_PARAM_BANDWIDTH, migration->bandwidth);
	if (r == 0)
		r = virDomainMigrateToURI3(domain, migration->connect, params, (unsigned)count, flags);
	virTypedParamsFree(params, count);
	return r < 0 ? -1 : 0;
}

static int job_stats(virDomainPtr domain, unsigned flags, struct virt_job *ret, int *ret_type) {
	virTypedParameterPtr params = NULL;
	struct virt_job job = {0};
	int count = 0;
	const struct {
		const char *name;
		uint64_t *value;
	} fields[] = {
	    {VIR_DOMAIN_JOB_TIME_ELAPSED, &job.elapsed},     {VIR_DOMAIN_JOB_DOWNTIME, &job.downtime},
	    {VIR_DOMAIN_JOB_DATA_PROCESSED, &job.processed}, {VIR_DOMAIN_JOB_DATA_REMAINING, &job.remaining},
	    {VIR_DOMAIN_JOB_DATA_TOTAL, &job.total},
	};

	if (virDomainGetJobStats(domain, ret_type, &params, &count, flags) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		unsigned long long value = 0;

		if (virTypedParamsGetULLong(params, count, fields[i].name, &value) == 1)
			*fields[i].value = value;
	}
	virTypedParamsFree(params, count);
	*ret = job;
	return 0;
}

int migrate_job(virDomainPtr domain, struct virt_job *ret) {
	int type = VIR_DOMAIN_JOB_NONE;

	if (job_stats(domain, 0, ret, &type) < 0)
		return -1;
	return type == VIR_DOMAIN_JOB_BOUNDED || type == VIR_DOMAIN_JOB_UNBOUNDED;
}

/* The copy here has all its memory, and the one that arrived does not run: so this one may always go on. A guest that
 * was paused before the migration stays so. */
int migrate_settle(virDomainPtr domain) {
	struct virt_job job;
	int state, reason, r = migrate_job(domain, &job);

	if (r != 0)
		return r;
	if (virDomainGetState(domain, &state, &reason, 0) < 0)
		return -1;
	return virt_state_of(state, reason) == VIRT_MOVING ? virDomainResume(domain) : 0;
}

int migrate_take(virDomainPtr domain, struct virt_job *ret) {
	int state, reason, type;

	if (virDomainGetState(domain, &state, &reason, 0) < 0)
		return -1;
	if (virt_state_of(state, reason) == VIRT_MOVING)
		return 1;
	if (virt_state_of(state, reason) == VIRT_PAUSED && virDomainResume(domain) < 0)
		return -1;
	(void)job_stats(domain, VIR_DOMAIN_JOB_STATS_COMPLETED, ret, &type); /* figures only */
	return 0;
}
