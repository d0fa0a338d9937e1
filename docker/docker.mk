# The Docker deployment; included from the Makefile of the repository and from docker/Makefile. See docker/README.md.
DOCKER_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

.PHONY: build
build: ## Build the Docker images of sentinel, keeper and proxy, and make the two secrets
	@$(DOCKER_DIR)/build

.PHONY: secrets
secrets: ## Make the passwords docker/etc/secrets/pgsql and pgsql-repl unless they exist
	@$(DOCKER_DIR)/secrets

.PHONY: secrets-rotate
secrets-rotate: ## Make new passwords and say what that means for a running cluster
	@$(DOCKER_DIR)/secrets rotate

.PHONY: lab-images
lab-images: ## Make local stand-ins for the public base images from this machine's Debian packages
	@$(DOCKER_DIR)/lab-images

.PHONY: local-up
local-up: ## Start a cluster in Docker containers (needs ETCD_TOKEN=<any word>)
	@$(DOCKER_DIR)/local-up

.PHONY: local-clean
local-clean: ## Remove the containers of local-up and keep their data
	@$(DOCKER_DIR)/local-clean

.PHONY: local-purge
local-purge: ## Remove the containers of local-up and their data
	@$(DOCKER_DIR)/local-clean purge

.PHONY: compose-up
compose-up: ## Start a cluster with Docker Compose (needs ETCD_TOKEN; MONITORING=1 and TLS=1 add to it)
	@$(DOCKER_DIR)/compose up

.PHONY: compose-clean
compose-clean: ## Remove the containers of compose-up and keep their data
	@$(DOCKER_DIR)/compose clean

.PHONY: compose-down
compose-down: compose-clean

.PHONY: compose-purge
compose-purge: ## Remove the containers of compose-up and their data
	@$(DOCKER_DIR)/compose purge

.PHONY: test-docker
test-docker: ## Walk through docker/README.md on this machine's Docker Engine and check what it prints
	@$(DOCKER_DIR)/../scripts/deps test
	@$(DOCKER_DIR)/../tests/docker/walk
