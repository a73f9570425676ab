# SPDX-License-Identifier: BSD-3-Clause
"""What dpdk-config/check-host is made of."""
