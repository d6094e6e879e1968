/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/base.h"

#include <getopt.h>

const char base_version[] = PVC_VERSION;

static void print_option(char letter, const char *name, const char *argument, const char *help) {
	_cleanup_free_ char *left = str_printf("  %c%c%s --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
					       letter ? "," : " ", name, argument ? "=" : "", argument ? argument : "");

	if (left && strlen(left) < 26)
		printf("%-26s  %s\n", left, help);
	else
		printf("%s\n%28s%s\n", left ? left : name, "", help);
}

static void print_help(const struct cli *cli) {
	printf("Usage: %s [OPTION]...%s%s\n%s\n\nOptions:\n", cli->name, *cli->synopsis ? " " : "", cli->synopsis,
	       cli->summary);
	for (size_t i = 0; i < cli->option_count; i++)
		print_option(cli->options[i].letter, cli->options[i].name, cli->options[i].argument,
			     cli->options[i].help);
	print_option('h', "help", NULL, "show this help");
	print_option('V', "version", NULL, "show the version");
	if (cli->details)
		printf("\n%s", cli->details);
}

static _Noreturn _printf_(2, 3) void usage_error(const struct cli *cli, const char *format, ...) {
	va_list ap;

	fprintf(stderr, "%s: ", cli->name);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "; try '%s --help'\n", cli->name);
	exit(EXIT_USAGE);
}

static void set_option(const struct cli *cli, const struct cli_option *option, const char *value) {
	switch (option->kind) {
	case CLI_FLAG:
		*(bool *)option->target = true;
		break;
	case CLI_TEXT:
		*(const char **)option->target = value;
		break;
	case CLI_NUMBER:
		if (parse_u64(value, option->min, option->max, option->target) < 0)
			usage_error(cli, "--%s wants a number from %llu to %llu, not '%s'", option->name,
				    (unsigned long long)option->min, (unsigned long long)option->max, value);
		break;
	}
}

/* getopt's tables: index in `options` + 256 is the value of a long option, for those without a letter too. */
enum { CLI_HELP = 128, CLI_VERSION, CLI_FIRST = 256 };

char **cli_parse(const struct cli *cli, int argc, char **argv, int *ret_count) {
	_cleanup_free_ struct option *longs = calloc(cli->option_count + 3, sizeof(*longs));
	_cleanup_strbuf_ struct strbuf letters = {0};
	int c, count;

	(void)strbuf_puts(&letters, ":hV"); /* a failure is kept in letters.failed */
	for (size_t i = 0; longs && i < cli->option_count; i++) {
		const struct cli_option *o = &cli->options[i];

		longs[i] = (struct option){o->name, o->kind == CLI_FLAG ? no_argument : required_argument, NULL,
					   CLI_FIRST + (int)i};
		if (o->letter)
			(void)strbuf_addf(&letters, "%c%s", o->letter, o->kind == CLI_FLAG ? "" : ":");
	}
	if (!longs || letters.failed) {
		fprintf(stderr, "%s: out of memory\n", cli->name);
		exit(EXIT_SYSTEM);
	}
	longs[cli->option_count] = (struct option){"help", no_argument, NULL, CLI_HELP};
	longs[cli->option_count + 1] = (struct option){"version", no_argument, NULL, CLI_VERSION};
	opterr = 0;
	optind = 0; /* glibc: also resets getopt's own state, for a second parse */
	while ((c = getopt_long(argc, argv, letters.data, longs, NULL)) >= 0) {
		const struct cli_option *found = NULL;

		if (c == 'h' || c == CLI_HELP) {
			print_help(cli);
			exit(EXIT_OK);
		}
		if (c == 'V' || c == CLI_VERSION) {
			printf("%s %s\n", cli->name, base_version);
			exit(EXIT_OK);
		}
		if (c == ':')
			usage_error(cli, "option '%s' wants an argument", argv[optind - 1]);
		if (c == '?' && optopt >= CLI_HELP)
			usage_error(cli, "option '%s' takes no argument", argv[optind - 1]);
		if (c == '?' && optopt)
			usage_error(cli, "unknown option '-%c'", optopt);
		if (c == '?')
			usage_error(cli, "unknown option '%s'", argv[optind - 1]);
		for (size_t i = 0; i < cli->option_count; i++)
			if (c == CLI_FIRST + (int)i || (c < CLI_HELP && c == cli->options[i].letter))
				found = &cli->options[i];
		if (found)
			set_option(cli, found, optarg);
	}
	count = argc - optind;
	if ((unsigned)count > cli->max_arguments)
		usage_error(cli, "unexpected argument '%s'", argv[optind + (int)cli->max_arguments]);
	if ((unsigned)count < cli->min_arguments)
		usage_error(cli, "missing argument (%s)", cli->synopsis);
	*ret_count = count;
	return argv + optind;
}
