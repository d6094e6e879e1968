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

/* The same for the first word of a verb. */
static bool first_of_its_head(size_t index) {
	size_t first = strcspn(commands[index].verb, " ");

	for (size_t i = 0; i < index; i++)
		if (commands[i].verb && str_equal(commands[i].noun, commands[index].noun) &&
		    strcspn(commands[i].verb, " ") == first &&
		    strncmp(commands[i].verb, commands[index].verb, first) == 0)
			return false;
	return true;
}

static void print_nouns(void) {
	for (size_t i = 0; i < command_count; i++)
		if (first_of_its_noun(i))
			printf("%s%s", i ? " " : "", commands[i].noun);
}

/* Each word that may follow the noun, or with `head` the noun and a verb's first word. */
static void print_verbs(const char *noun, const char *head) {
	for (size_t i = 0; i < command_count; i++) {
		const char *verb = commands[i].verb;
		size_t first = verb ? strcspn(verb, " ") : 0;

		if (!verb || !str_equal(noun, commands[i].noun))
			continue;
		if (head && verb[first] && strncmp(head, verb, first) == 0 && !head[first])
			printf("%s ", verb + first + 1);
		else if (!head && first_of_its_head(i))
			printf("%.*s ", (int)first, verb);
	}
}

/* The word lists of nouns and of first words of verbs. */
static void print_cases(void) {
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		size_t first = c->verb ? strcspn(c->verb, " ") : 0;
		_cleanup_free_ char *head = c->verb ? strndup(c->verb, first) : NULL;

		if (c->verb && first_of_its_noun(i)) {
			printf("\t'%s') words='", c->noun);
			print_verbs(c->noun, NULL);
			printf("' ;;\n");
		}
		if (head && c->verb[first] && first_of_its_head(i)) {
			printf("\t'%s %s') words='", c->noun, head);
			print_verbs(c->noun, head);
			printf("' ;;\n");
		}
	}
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
	print_cases();
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
