// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// A thermal zone as warm as the parameter `temp` says (thousandths of a degree), which slows
// nothing down: machines that are emulated have none.
#include <linux/err.h>
#include <linux/module.h>
#include <linux/thermal.h>

static int temp = 40000;
module_param(temp, int, 0644);

static struct thermal_zone_device *zone;

static int get_temp(struct thermal_zone_device *asked, int *value)
{
	*value = temp;
	return 0;
}

static int get_trip_type(struct thermal_zone_device *asked, int trip, enum thermal_trip_type *type)
{
	*type = THERMAL_TRIP_PASSIVE;
	return 0;
}

static int get_trip_temp(struct thermal_zone_device *asked, int trip, int *value)
{
	*value = 80000;
	return 0;
}

static struct thermal_zone_device_ops operations = {
	.get_temp = get_temp,
	.get_trip_type = get_trip_type,
	.get_trip_temp = get_trip_temp,
};

static int __init warm_init(void)
{
	zone = thermal_zone_device_register("cpu-thermal", 1, 0, NULL, &operations, NULL, 0, 0);
	return PTR_ERR_OR_ZERO(zone);
}

static void __exit warm_exit(void)
{
	thermal_zone_device_unregister(zone);
}

module_init(warm_init);
module_exit(warm_exit);
MODULE_LICENSE("GPL");
