/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Telling the neighbours where an address lives now: gratuitous ARP (RFC 5227, an announcement) and an unsolicited
 * neighbour advertisement (RFC 4861, 7.2.6). The frames are built here, checksum included, so that nothing depends on
 * what the kernel would choose as their source.
 */
#include "net/net.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

struct arp_frame {
	struct ether_header ethernet;
	struct ether_arp arp;
} __attribute__((packed));

struct advertisement {
	struct nd_neighbor_advert advert;
	struct nd_opt_hdr option;
	uint8_t mac[NET_MAC_LENGTH];
} __attribute__((packed));
struct advertisement_frame {
	struct ether_header ethernet;
	struct ip6_hdr ip;
	struct advertisement body;
} __attribute__((packed));

static size_t build_arp(const uint8_t mac[NET_MAC_LENGTH], const struct in_addr *address, uint8_t *out) {
	struct arp_frame frame = {
	    .ethernet.ether_type = htons(ETHERTYPE_ARP),
	    .arp.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
			   .ar_pro = htons(ETHERTYPE_IP),
			   .ar_hln = NET_MAC_LENGTH,
			   .ar_pln = sizeof(*address),
			   .ar_op = htons(ARPOP_REQUEST)},
	};

	memset(frame.ethernet.ether_dhost, 0xff, NET_MAC_LENGTH);
	memcpy(frame.ethernet.ether_shost, mac, NET_MAC_LENGTH);
	memcpy(frame.arp.arp_sha, mac, NET_MAC_LENGTH);
	memcpy(frame.arp.arp_spa, address, sizeof(*address));
	memcpy(frame.arp.arp_tpa, address, sizeof(*address));
	memcpy(out, &frame, sizeof(frame));
	return sizeof(frame);
}

static uint32_t sum_of(uint32_t sum, const void *data, size_t length) {
	const uint8_t *bytes = data;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

/* RFC 8200, 8.1: over the addresses, the length and the next header, then the body. */
static uint16_t checksum(const struct advertisement_frame *frame) {
	uint32_t sum = sum_of(0, &frame->ip.ip6_src, 2 * sizeof(struct in6_addr));

	sum += sizeof(frame->body) + IPPROTO_ICMPV6;
	sum = sum_of(sum, &frame->body, sizeof(frame->body));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static size_t build_advertisement(const uint8_t mac[NET_MAC_LENGTH], const struct in6_addr *address, uint8_t *out) {
	static const uint8_t all_nodes[NET_MAC_LENGTH] = {0x33, 0x33, 0, 0, 0, 1};
	struct advertisement_frame frame = {.ethernet.ether_type = htons(ETHERTYPE_IPV6)};
	uint16_t sum;

	memcpy(frame.ethernet.ether_dhost, all_nodes, NET_MAC_LENGTH);
	memcpy(frame.ethernet.ether_shost, mac, NET_MAC_LENGTH);
	frame.ip.ip6_flow = htonl(6u << 28);
	frame.ip.ip6_plen = htons(sizeof(frame.body));
	frame.ip.ip6_nxt = IPPROTO_ICMPV6;
	frame.ip.ip6_hlim = 255; /* receivers refuse any other: it shows that no router passed it on */
	frame.ip.ip6_src = *address;
	(void)inet_pton(AF_INET6, "ff02::1", &frame.ip.ip6_dst); /* a constant: cannot fail */
	frame.body.advert.nd_na_type = ND_NEIGHBOR_ADVERT;
	frame.body.advert.nd_na_flags_reserved = ND_NA_FLAG_ROUTER | ND_NA_FLAG_OVERRIDE;
	frame.body.advert.nd_na_target = *address;
	frame.body.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
	frame.body.option.nd_opt_len = 1; /* in units of 8 bytes */
	memcpy(frame.body.mac, mac, NET_MAC_LENGTH);
	sum = checksum(&frame);
	memcpy((uint8_t *)&frame + offsetof(struct advertisement_frame, body.advert.nd_na_cksum), &sum, sizeof(sum));
	memcpy(out, &frame, sizeof(frame));
	return sizeof(frame);
}

size_t net_announcement(const uint8_t mac[NET_MAC_LENGTH], const struct ip_prefix *ip,
			uint8_t out[NET_ANNOUNCEMENT_MAX]) {
	_Static_assert(sizeof(struct advertisement_frame) <= NET_ANNOUNCEMENT_MAX, "room for both");
	return ip->family == AF_INET ? build_arp(mac, &ip->v4, out) : build_advertisement(mac, &ip->v6, out);
}

int net_announce_open(char **ret_error) {
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* 0: hears nothing */

	return fd < 0 ? error_set(ret_error, -errno, "packet socket: %s", strerror(errno)) : fd;
}

int net_announce(int fd, int index, const uint8_t mac[NET_MAC_LENGTH], const struct ip_prefix *ip, char **ret_error) {
	uint8_t frame[NET_ANNOUNCEMENT_MAX];
	size_t length = net_announcement(mac, ip, frame);
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ip->family == AF_INET ? ETH_P_ARP : ETH_P_IPV6),
	    .sll_ifindex = index,
	    .sll_halen = NET_MAC_LENGTH,
	};

	memcpy(to.sll_addr, frame, NET_MAC_LENGTH);
	if (sendto(fd, frame, length, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return error_set(ret_error, -errno, "%s", strerror(errno));
	return 0;
}
