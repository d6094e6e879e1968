/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bash completion, made of the table of commands. */
#include "commands.h"

static void print_options(const struct command *command) {
	struct options scratch = {0};
	struct cli_option options[OPTIONS_MAX];
	size_t count = command_options(command, &scratch, options);

	for (size_t i = 0; i < count; i++)
		printf("--%s ", options[i].name);
	printf("--help");
}

static bool first_of_its_noun(size_t index) {
	for (size_t i = 0; i < index; i++)
		if (str_equal(commands[i].noun, commands[index].noun))
			return false;
	return true;
}

static void print_nouns(void) {
	for (size_t i = 0; i < command_count; i++)
		if (first_of_its_noun(i))
			printf("%s%s", i ? " " : "", commands[i].noun);
}

static void print_verbs(const char *noun) {
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].verb && str_equal(noun, commands[i].noun))
			printf("%s ", commands[i].verb);
}

int print_completion(struct ctl *ctl) {
	(void)ctl;
	printf("# bash completion for pvcctl: source <(pvcctl completion)\n"
	       "_pvcctl() {\n"
	       "\tlocal words= word=${COMP_WORDS[COMP_CWORD]} i\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in -*) ;; *) words+=${words:+ }${COMP_WORDS[i]} ;; esac\n"
	       "\tdone\n"
	       "\tcase $words in\n"
	       "\t'') words='");
	print_nouns();
	printf("' ;;\n");
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].verb && first_of_its_noun(i)) {
			printf("\t'%s') words='", commands[i].noun);
			print_verbs(commands[i].noun);
			printf("' ;;\n");
		}
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];

		printf("\t'%s%s%s'*) words='", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
		print_options(c);
		printf("' ;;\n");
	}
	printf("\t*) words= ;;\n"
	       "\tesac\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	       "}\n"
	       "complete -o default -F _pvcctl pvcctl\n");
	return EXIT_OK;
}
