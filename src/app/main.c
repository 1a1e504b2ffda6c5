#include "app/app.h"

int main(int argc, char **argv)
{
    return mu_app_main(argc, (const char *const *)argv);
}
