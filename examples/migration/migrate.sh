#!/bin/sh
# A whole migration, from the six files beside this one. Each step can be stopped at any moment: run it again, and it goes on.
# Extra arguments go to every command, such as --base-url.
set -eu
files=$(dirname "$0")

step() {
    echo "== $*" >&2
    workos-importer "$@"
}

# Organizations first: a role can belong to one.
step organizations import "$files/organizations.csv" --on-existing update --quiet "$@"
step roles import "$files/roles.csv" --on-existing update --quiet "$@"
step import "$files/users.csv" --on-existing update --quiet --report migration.html "$@"
step memberships import "$files/memberships.csv" --quiet "$@"
step totp-factors enroll "$files/totp-factors.csv" --quiet "$@"

# Mails come last, when everything that they lead to is there. Nobody gets a second one.
step password-resets send "$files/users.csv" --quiet "$@"
step invitations send "$files/invitations.csv" --quiet "$@"

# The proof.
step organizations verify "$files/organizations.csv" --on-existing update --quiet "$@"
step verify "$files/users.csv" --on-existing update --quiet "$@"
step memberships verify "$files/memberships.csv" --quiet "$@"
