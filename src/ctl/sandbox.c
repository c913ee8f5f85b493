/* SPDX-License-Identifier: Apache-2.0
 *
 * Dropping powers. Called by gateway at start, on the control thread, before any other
 * thread exists. Owns nothing. Must never continue half-way: an identity that was changed
 * in part is an error.
 */
#include "ctl/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void
sandbox_limits(void)
{
    const struct rlimit no_core = {0, 0};
    struct rlimit files;

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

int
sandbox_no_new_privileges(struct diag *diag)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        return 0;
    diag_error(diag, NULL, 0, 0, "cannot give up new privileges: %s", strerror(errno));
    return GW_E_SYS;
}

bool
sandbox_is_root(void)
{
    return geteuid() == 0;
}

/* The numbers behind the names of `run_as`. */
static int
identity_find(const char *user, const char *group, const char *file, struct diag *diag,
              struct passwd *ret)
{
    const struct passwd *pw = getpwnam(user);
    const struct group *gr;

    if (pw == NULL) {
        diag_error(diag, file, 0, 0, "run_as: there is no user \"%s\"; create it, or name another",
                   user);
        return GW_E_CONFIG;
    }
    *ret = *pw;
    if (group == NULL)
        return 0;
    gr = getgrnam(group);
    if (gr == NULL) {
        diag_error(diag, file, 0, 0, "run_as: there is no group \"%s\"; create it, or name another",
                   group);
        return GW_E_CONFIG;
    }
    ret->pw_gid = gr->gr_gid;
    return 0;
}

int
sandbox_become(const char *user, const char *group, const char *file, struct diag *diag)
{
    struct passwd id;
    int rc = identity_find(user, group, file, diag, &id);

    if (rc != 0)
        return rc;
    if (setgroups(0, NULL) != 0 || setresgid(id.pw_gid, id.pw_gid, id.pw_gid) != 0 ||
        setresuid(id.pw_uid, id.pw_uid, id.pw_uid) != 0) {
        diag_error(diag, file, 0, 0, "run_as: cannot become %s: %s", user, strerror(errno));
        return GW_E_CONFIG;
    }
    if (id.pw_uid != 0 && setuid(0) == 0) {
        diag_error(diag, file, 0, 0, "run_as: became %s, and root could be taken back", user);
        return GW_E_CONFIG;
    }
    /* The change of identity made the process dumpable again. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return 0;
}

bool
sandbox_is_folder_of(const char *dir, const char *user)
{
    const struct passwd *pw = getpwnam(user);
    struct stat st;

    return pw != NULL && stat(dir, &st) == 0 && st.st_uid == pw->pw_uid;
}

/* Who owns the folder may have put anything there, also a second name of a file of root's. */
static bool
give_file(int dir_fd, const char *name, const struct passwd *id)
{
    int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    bool is_given = true;

    if (fd < 0)
        return errno == ENOENT;
    if (fstat(fd, &st) != 0)
        is_given = false;
    else if (S_ISREG(st.st_mode) && st.st_nlink == 1)
        is_given = fchownat(fd, "", id->pw_uid, id->pw_gid, AT_EMPTY_PATH) == 0;
    close(fd);
    return is_given;
}

int
sandbox_give_folder(const char *dir, const char *user, const char *group, const char *file,
                    struct diag *diag)
{
    struct passwd id;
    struct dirent *entry;
    DIR *open_dir;
    int rc = identity_find(user, group, file, diag, &id);
    bool is_given;

    if (rc != 0)
        return rc;
    open_dir = opendir(dir);
    if (open_dir == NULL)
        return errno == ENOENT ? 0 : GW_E_SYS;
    is_given = fchown(dirfd(open_dir), id.pw_uid, id.pw_gid) == 0;
    while ((entry = readdir(open_dir)) != NULL) {
        if (entry->d_name[0] != '.')
            is_given &= give_file(dirfd(open_dir), entry->d_name, &id);
    }
    closedir(open_dir);
    if (is_given)
        return 0;
    diag_error(diag, file, 0, 0, "run_as: %s cannot be given to %s: %s", dir, user,
               strerror(errno));
    return GW_E_CONFIG;
}
