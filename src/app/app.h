/* app.h -- the program: commands, their options and help, wiring. */
#ifndef MU_APP_APP_H
#define MU_APP_APP_H

/* Runs one command line to its end and returns the exit status of docs/commands.md. Reads the
 * environment and standard input, writes standard output and standard error. Called once per
 * process. */
int mu_app_main(int argc, const char *const *argv);

#endif
