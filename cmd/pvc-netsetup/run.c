/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Observe, plan, execute, verify; and back when it fails. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>

#include "log/log.h"
#include "netsetup.h"

#define ROUNDS          5                   /* of planning again after what was done showed something new */
#define DUPLICATE_CHECK (10 * USEC_PER_SEC) /* the kernel looks for another host with an IPv6 address: 1-2 s */

static int failed(int error, const char *text) {
	log_error("%s", text ? text : strerror(-error));
	return exit_code_of(error);
}

/* One at a time: a lock on the configuration, which nobody else may even open, and which is gone with the process. */
static int lock_or_say(const char *path, int *ret_fd) {
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;

	if (r == -EWOULDBLOCK)
		log_error("another pvc-netsetup is at work: try again when it has finished");
	else if (r < 0)
		log_error("cannot lock %s against another pvc-netsetup: %s", path, strerror(-r));
	else
		*ret_fd = move_fd(&fd);
	return r < 0 ? exit_code_of(r) : EXIT_OK;
}

/* While addresses are on their way, a lost ssh session or an impatient operator must not leave them there. */
static void hold_signals(sigset_t *old) {
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, old);
}

static void say_errors(const struct plan *plan) {
	for (size_t i = 0; i < plan->errors.count; i++)
		log_error("%s", plan->errors.items[i]);
}

static void say_notes(const struct plan *plan) {
	for (size_t i = 0; i < plan->notes.count; i++)
		log_warning("%s", plan->notes.items[i]);
}

static int make_plan(struct net *net, const struct wanted *wanted, bool undo, struct observed *ret_now,
		     struct plan *ret_plan, char **ret_error) {
	int r = observe(net, ret_now, ret_error);

	if (r < 0)
		return r;
	return undo ? plan_undo(wanted, ret_now, ret_plan) : plan_setup(wanted, ret_now, ret_plan);
}

int run_check(const struct wanted *wanted, bool undo) {
	_cleanup_net_ struct net *net = NULL;
	_cleanup_observed_ struct observed now = {0};
	_cleanup_plan_ struct plan plan = {0};
	_cleanup_free_ char *error = NULL;
	int r = net_open(&net, &error);

	if (r >= 0)
		r = make_plan(net, wanted, undo, &now, &plan, &error);
	if (r < 0)
		return failed(r, error);
	for (size_t i = 0; i < plan.errors.count; i++)
		printf("differs: %s\n", plan.errors.items[i]);
	for (size_t i = 0; i < plan.count; i++)
		printf("differs: %s\n", plan.steps[i].drift);
	return plan.errors.count + plan.count ? EXIT_DIFFERS : EXIT_OK;
}

int run_dry(const struct wanted *wanted, bool undo) {
	_cleanup_net_ struct net *net = NULL;
	_cleanup_observed_ struct observed now = {0};
	_cleanup_plan_ struct plan plan = {0};
	_cleanup_free_ char *error = NULL;
	int r = net_open(&net, &error);

	if (r >= 0)
		r = make_plan(net, wanted, undo, &now, &plan, &error);
	if (r < 0)
		return failed(r, error);
	say_notes(&plan);
	say_errors(&plan);
	if (plan.errors.count)
		return EXIT_FAILED;
	for (size_t i = 0; i < plan.count; i++) {
		_cleanup_free_ char *text = step_text(&plan.steps[i]);

		printf("would %s\n", text ? text : "do something");
	}
	return EXIT_OK;
}

/* At boot a device may still be on its way. */
static int wait_for_devices(struct net *net, const struct wanted *wanted, usec_t deadline, char **ret_error) {
	_cleanup_net_ struct net *monitor = NULL;
	bool said = false;
	int r = net_monitor_open(&monitor, ret_error);

	while (r >= 0) {
		_cleanup_net_links_ struct net_links links = {0};
		const struct wanted_bridge *missing;

		r = net_links_read(net, &links, ret_error);
		missing = r < 0 ? NULL : wanted_missing(wanted, &links);
		if (!missing || deadline_left(deadline) == 0)
			return r; /* the planner says it better when one is missing still */
		if (!said)
			log_info("waiting for device '%s' (%s)", missing->device, missing->device_key);
		said = true;
		r = net_monitor_wait(monitor, deadline);
	}
	return r;
}

static void roll_back(struct net *net, const struct wanted *wanted, const struct observed *before) {
	_cleanup_free_ char *error = NULL;

	for (int i = 0; i < ROUNDS; i++) {
		_cleanup_observed_ struct observed now = {0};
		_cleanup_plan_ struct plan plan = {0};
		int r = observe(net, &now, &error);

		if (r >= 0)
			r = plan_restore(wanted, before, &now, &plan);
		if (r >= 0 && plan.count == 0) {
			log_info("everything is as it was before");
			return;
		}
		if (r >= 0)
			r = plan_execute(net, &plan, &error);
		if (r < 0)
			log_error("while going back: %s", error ? error : strerror(-r));
	}
	log_error("could not bring everything back to what it was; look at 'ip address' and 'ip route'");
}

/* Waits until the kernel has found that no other host has our IPv6 addresses, so that services can bind to them. */
static int wait_for_addresses(struct net *net, const struct wanted *wanted, usec_t deadline) {
	_cleanup_net_ struct net *monitor = NULL;
	_cleanup_free_ char *error = NULL;
	int r = net_monitor_open(&monitor, &error);

	while (r >= 0) {
		_cleanup_observed_ struct observed now = {0};
		bool tentative = false;

		r = observe(net, &now, &error);
		for (size_t i = 0; r >= 0 && i < wanted->count; i++) {
			const struct net_link *bridge = net_link_find(&now.links, wanted->bridges[i].name);

			for (size_t j = 0; bridge && j < wanted->bridges[i].address_count; j++) {
				const struct net_address *a =
				    address_find(&now, bridge->index, &wanted->bridges[i].addresses[j]);

				if (a && (a->flags & IFA_F_DADFAILED)) {
					log_error("%s: another host of %s has this address",
						  wanted->bridges[i].address_keys[j], bridge->name);
					return EXIT_FAILED;
				}
				/* without a carrier nobody can be asked */
				tentative = tentative || (a && (a->flags & IFA_F_TENTATIVE) && bridge->running);
			}
		}
		if (r < 0 || !tentative)
			break;
		if (deadline_left(deadline) == 0) {
			log_warning("the kernel still checks whether another host has our IPv6 addresses");
			break;
		}
		r = net_monitor_wait(monitor, deadline);
	}
	return r < 0 ? failed(r, error) : EXIT_OK;
}

/* Executes, reads again and compares, until nothing differs: meanwhile a router may have advertised something. */
static int execute_and_verify(struct net *net, const struct wanted *wanted, struct plan *first, bool undo,
			      char **ret_error) {
	int r = plan_execute(net, first, ret_error);

	for (int i = 0; r >= 0 && i < ROUNDS; i++) {
		_cleanup_observed_ struct observed now = {0};
		_cleanup_plan_ struct plan plan = {0};

		r = make_plan(net, wanted, undo, &now, &plan, ret_error);
		if (r >= 0 && plan.count + plan.errors.count == 0)
			return 0;
		if (r >= 0 && (plan.errors.count || i == ROUNDS - 1))
			return error_set(ret_error, -EIO, "after everything was done, this differs: %s",
					 plan.errors.count ? plan.errors.items[0] : plan.steps[0].drift);
		if (r >= 0)
			r = plan_execute(net, &plan, ret_error);
	}
	return r;
}

int run_setup(const struct wanted *wanted, const char *lock_path, usec_t deadline) {
	_cleanup_net_ struct net *net = NULL;
	_cleanup_observed_ struct observed before = {0};
	_cleanup_plan_ struct plan plan = {0};
	_cleanup_free_ char *error = NULL;
	_cleanup_close_ int lock = -1;
	sigset_t signals;
	int r = lock_or_say(lock_path, &lock);

	if (r != EXIT_OK)
		return r;
	r = net_open(&net, &error);
	if (r >= 0)
		r = wait_for_devices(net, wanted, deadline, &error);
	if (r >= 0)
		r = make_plan(net, wanted, false, &before, &plan, &error);
	if (r < 0)
		return failed(r, error);
	say_errors(&plan);
	if (plan.errors.count)
		return wanted_missing(wanted, &before.links) ? EXIT_UNAVAILABLE : EXIT_FAILED;
	say_notes(&plan);
	if (plan.count == 0) {
		log_ok("the host's network is as configured: nothing to do");
		return wait_for_addresses(net, wanted, deadline_after(DUPLICATE_CHECK));
	}
	hold_signals(&signals);
	r = execute_and_verify(net, wanted, &plan, false, &error);
	if (r < 0) {
		log_error("%s; going back", error ? error : strerror(-r));
		roll_back(net, wanted, &before);
		return exit_code_of(r);
	}
	sigprocmask(SIG_SETMASK, &signals, NULL);
	log_ok("the host's network is as configured");
	return wait_for_addresses(net, wanted, deadline_after(DUPLICATE_CHECK));
}

int run_undo(const struct wanted *wanted, const char *lock_path) {
	_cleanup_net_ struct net *net = NULL;
	_cleanup_observed_ struct observed before = {0};
	_cleanup_plan_ struct plan plan = {0};
	_cleanup_free_ char *error = NULL;
	_cleanup_close_ int lock = -1;
	sigset_t signals;
	int r = lock_or_say(lock_path, &lock);

	if (r != EXIT_OK)
		return r;
	r = net_open(&net, &error);
	if (r >= 0)
		r = make_plan(net, wanted, true, &before, &plan, &error);
	if (r < 0)
		return failed(r, error);
	say_errors(&plan);
	if (plan.errors.count)
		return EXIT_FAILED;
	say_notes(&plan);
	/* A failure leaves everything reachable, as nothing leaves a bridge before it is on the device: no way back. */
	hold_signals(&signals);
	r = execute_and_verify(net, wanted, &plan, true, &error);
	if (r < 0) {
		log_error("%s; run 'pvc-netsetup undo' again when this is mended", error ? error : strerror(-r));
		return exit_code_of(r);
	}
	sigprocmask(SIG_SETMASK, &signals, NULL);
	log_ok(plan.count ? "the bridges are removed" : "there are no bridges: nothing to do");
	return EXIT_OK;
}
